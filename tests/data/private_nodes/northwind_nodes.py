"""Private nodes of a clinic called Northwind: a package that extends the server by its entry points alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from executor.private_nodes import PrivateNodeContext

VERSION = "1.0"
_PLANS = {"NW-1": "HMO Basic", "NW-2": "PPO Plus"}


class Member(BaseModel):
    """What the document must give."""

    member_id: str = Field(pattern="^NW-")
    visits: int = 0


async def look_up(member: Member, context: PrivateNodeContext) -> dict[str, Any]:
    """The plan of a member, and whether the visits are covered."""
    context.log(f"looked up {member.member_id}")
    plan = _PLANS.get(member.member_id)
    return {"plan": plan, "covered": plan is not None and member.visits < 12, "notes": ["first", "second"]}


async def title(inputs: dict[str, Any], context: PrivateNodeContext) -> str:
    """What the page is called."""
    return f"{inputs.get('before', '')}{await context.page.title()}"


def not_async(inputs: dict[str, Any], context: PrivateNodeContext) -> None:
    """Forgot to be async."""
