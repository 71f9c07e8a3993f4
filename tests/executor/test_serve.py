from executor.management.commands import serve


def test_every_process_knows_the_port_that_no_task_may_reach() -> None:
    children = serve._children("127.0.0.1", 9123, 2)

    assert len(children) == 3
    for child in children:
        assert "9123" in child.environment["OWN_PORTS"].split(",")
