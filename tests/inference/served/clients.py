"""Many clients in one process: `python -m tests.inference.served.clients`, a job as JSON on stdin.

The job: `url`, `headers`, `bodies`, `clients`, `requests` (of each client). Prints, as JSON, each answer's status and
what matters of its body. Knows nothing of the server's code.
"""

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import requests


def send_all(job: dict[str, Any], client: int) -> list[tuple[int, str | None, bool | None]]:
    answers = []
    with requests.Session() as session:
        session.trust_env = False
        for number in range(job["requests"]):
            body = job["bodies"][(client + number) % len(job["bodies"])]
            response = session.post(job["url"], json=body, headers=job["headers"], timeout=60)
            answer = response.json()
            answers.append((response.status_code, answer.get("task_id"), answer.get("duplicate")))
    return answers


def main() -> None:
    job = json.load(sys.stdin)
    with ThreadPoolExecutor(job["clients"]) as pool:
        answers = [
            each for sent in pool.map(lambda client: send_all(job, client), range(job["clients"])) for each in sent
        ]
    json.dump(answers, sys.stdout)


if __name__ == "__main__":
    main()
