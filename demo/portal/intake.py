"""The intake form: its four steps, and what each accepts."""

from datetime import date

from demo.portal.practice import DEPARTMENTS, PLANS, PRACTICE_DAY

Answers = dict[str, str | list[str]]

STEPS = ("patient", "coverage", "visit", "review")
STEP_TITLES = {"patient": "Patient", "coverage": "Coverage", "visit": "Visit", "review": "Review"}

SEXES = ("Female", "Male", "Another")
LANGUAGES = ("English", "Español", "Français", "Igbo", "Polski", "Türkçe")
RELATIONSHIPS = ("Self", "Spouse", "Child", "Other dependent")
VISIT_TYPES = ("In person", "Video call")
SYMPTOMS = ("Fever", "Cough", "Pain", "Fatigue", "Rash")

# The fields of each step in the order of the page, with the labels that the review shows.
FIELDS = {
    "patient": {
        "referral_number": "Referral number",
        "first_name": "First name",
        "last_name": "Last name",
        "birth_date": "Date of birth",
        "sex": "Sex on record",
        "language": "Preferred language",
    },
    "coverage": {
        "plan": "Insurance plan",
        "member_number": "Insurance member number",
        "relationship": "Relationship to the insured",
        "card": "Insurance card",
    },
    "visit": {
        "visit_date": "Preferred date",
        "department": "Department",
        "visit_type": "Kind of visit",
        "symptoms": "Symptoms",
        "reminders": "Text reminders",
        "notes": "Notes for the clinician",
    },
    "review": {"attested": "Attestation"},
}
OPTIONAL = {"card", "symptoms", "reminders", "notes"}
MANY = {"symptoms"}

CHOICES = {
    "sex": SEXES,
    "language": LANGUAGES,
    "plan": tuple(plan.name for plan in PLANS),
    "relationship": RELATIONSHIPS,
    "department": DEPARTMENTS,
    "visit_type": VISIT_TYPES,
}


def step_after(step: str) -> str:
    return STEPS[STEPS.index(step) + 1]


def problems_in(step: str, answers: Answers) -> dict[str, str]:
    """What is wrong with the answers of one step: field -> sentence. Empty when all is well."""
    problems = {}
    for name, label in FIELDS[step].items():
        answer = answers.get(name, "")
        if not answer:
            if name not in OPTIONAL:
                problems[name] = f"{label} is required."
        elif name in CHOICES and answer not in CHOICES[name]:
            problems[name] = f"Choose one of the list for {label.lower()}."
        elif name.endswith("_date") and (problem := _date_problem(name, str(answer))):
            problems[name] = problem
    return problems


def first_open_step(answers: Answers) -> str:
    """The step that a visitor has to do next."""
    for step in STEPS[:-1]:
        if problems_in(step, answers):
            return step
    return "review"


def review_of(answers: Answers) -> list[tuple[str, str, list[tuple[str, str]]]]:
    """Step, its title, and (label, answer) pairs as people read them."""
    review = []
    for step in STEPS[:-1]:
        lines = [(label, _as_text(answers.get(name))) for name, label in FIELDS[step].items()]
        review.append((step, STEP_TITLES[step], lines))
    return review


def _as_text(answer: str | list[str] | None) -> str:
    if isinstance(answer, list):
        return ", ".join(answer) or "None"
    return answer or "None"


def _date_problem(name: str, text: str) -> str | None:
    try:
        day = date.fromisoformat(text)
    except ValueError:
        return "Enter a date as year, month, day."
    if name == "birth_date" and day >= PRACTICE_DAY:
        return "The date of birth is in the past."
    return None
