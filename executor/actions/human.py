"""A step that a person does."""

from automation.actions.human import HumanInLoopAction
from executor import people
from executor.errors import NobodyAnsweredError, PeopleUnavailableError
from executor.run import Run


async def human_in_loop(action: HumanInLoopAction, run: Run) -> None:
    """Ask a person, with the step's label as the question, and go on when the answer is to continue.

    Errors: PeopleUnavailableError (nobody can be asked here), NobodyAnsweredError (time over), PersonGaveUpError.
    """
    if not people.is_enabled():
        raise PeopleUnavailableError(f"{run.step.label}: needs a person: set HUMAN_IN_LOOP=true")
    await run.about_to_act()
    if not await people.ask_person(run, question=run.step.label, max_seconds=action.max_wait_time):
        raise NobodyAnsweredError(f"nobody answered within {action.max_wait_time:g} s")
