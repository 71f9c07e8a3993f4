"""What changed between two documents, by meaning: an explicit default is no change, a moved node is not two changes."""

import hashlib
import json
from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

from automation.actions.extraction import LocatorExtraction
from automation.actions.files import DownloadUrlAsPdfAction
from automation.actions.targeted import DownloadingAction
from automation.document import Automation, load
from automation.element import Element
from automation.labels import label_of, locator_text_of
from automation.linter.clear_secrets import has_credentials, is_secret_field, is_secret_key
from automation.nodes import AssertLocatorNode, Node
from automation.problems import path_text
from automation.walking import child_lists, kind_of

ChangeKind = Literal["added", "removed", "moved", "changed"]
_NODE_FIELDS = ("nodes", "post_processing_nodes", "reset_nodes", "if_nodes", "else_nodes")
_HIDDEN = "(hidden)"


class Change(NamedTuple):
    """One difference.

    path: where it is in the new document, for `removed` in the old one. old_path: where it was, "" for `added`.
    what: the node or name in words. before, after: JSON values of a changed field; secrets are hidden.
    """

    kind: ChangeKind
    path: str
    old_path: str
    what: str
    before: Any = None
    after: Any = None


def diff(old: object, new: object) -> list[Change]:
    """The differences between two parsed JSON documents; empty when they mean the same.

    Raises DocumentError when one of them does not load.
    """
    before, after = load(old), load(new)
    changes = list(_fields(_plain(before, skip=_NODE_FIELDS), _plain(after, skip=_NODE_FIELDS), (), ()))
    return [*changes, *_Comparison(before, after).changes()]


def _plain(element: Any, *, skip: Sequence[str] = ()) -> Any:
    """An element as JSON data with its defaults; what a load makes up anew each time is left out."""
    if isinstance(element, Element):
        made_up = _made_up(element)
        return {
            name: made_up[name] if name in made_up else _plain(getattr(element, name))
            for name in type(element).model_fields
            if name not in skip
        }
    if isinstance(element, list | tuple):
        return [_plain(item) for item in element]
    if isinstance(element, dict):
        return {key: _plain(value) for key, value in element.items()}
    return element


def _made_up(element: Element) -> dict[str, Any]:
    """Fields that nobody wrote and that depend on chance or on the number of the node, with what to compare."""
    written = element.model_fields_set
    match element:
        case DownloadingAction() | DownloadUrlAsPdfAction() if "download_filename" not in written:
            return {"download_filename": None}
        case AssertLocatorNode() if "output_variable_name" not in written:
            return {"output_variable_name": None}
        case LocatorExtraction() if "output_variable_name" not in written:
            formats = list(element.extraction_format.values())
            return {"output_variable_name": None, "extraction_format": {"": formats[0]}}
        case _:
            return {}


def _same(one: Any, other: Any) -> bool:
    # As texts: Python holds True, 1 and 1.0 for equal, and a document may mean the difference.
    return _text(one) == _text(other)


def _text(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


_Path = tuple[int | str, ...]


def _fields(
    before: Any, after: Any, old_path: _Path, path: _Path, is_hidden: Callable[[_Path], bool] = lambda _: False
) -> Iterator[Change]:
    """The changed members of two JSON values, as deep as both are objects."""
    if _same(before, after):
        return
    if not (isinstance(before, dict) and isinstance(after, dict)):
        hidden = is_hidden(path) or any(isinstance(part, str) and _is_secret(part) for part in path)
        shown = (_HIDDEN, _HIDDEN) if hidden else (_shown(before), _shown(after))
        yield Change("changed", path_text(path), path_text(old_path), str(path[-1]) if path else "document", *shown)
        return
    for key in {**before, **after}:
        here, there = (*path, key), (*old_path, key)
        if key not in before:
            yield Change("added", path_text(here), "", str(key))
        elif key not in after:
            yield Change("removed", path_text(there), path_text(there), str(key))
        else:
            yield from _fields(before[key], after[key], there, here, is_hidden)


def _is_secret(key: str) -> bool:
    return key == "totp_secret" or is_secret_key(key)


def _shown(value: Any) -> Any:
    """A value as it may be told: without the secrets in it."""
    match value:
        case str():
            return _HIDDEN if has_credentials(value) else value
        case list():
            return [_shown(item) for item in value]
        case dict():
            return {key: _HIDDEN if _is_secret(key) else _shown(item) for key, item in value.items()}
        case _:
            return value


@dataclass(frozen=True, slots=True, eq=False)
class _Place:
    """A node of one of the documents."""

    node: Node
    path: _Path
    children: tuple[tuple[str, list["_Place"]], ...]
    own: Mapping[str, Any]
    # Of the node with everything inside it: equal prints mean equal nodes.
    fingerprint: str

    @property
    def what(self) -> str:
        return label_of(self.node)


def _places(nodes: Sequence[Node], path: _Path) -> list[_Place]:
    return [_place(node, (*path, position)) for position, node in enumerate(nodes)]


def _place(node: Node, path: _Path) -> _Place:
    children = tuple((name, _places(nodes, (*path, name))) for name, nodes in child_lists(node))
    own = _plain(node, skip=_NODE_FIELDS)
    inside = [[name, [child.fingerprint for child in places]] for name, places in children]
    fingerprint = hashlib.sha256(_text([own, inside]).encode(errors="surrogatepass")).hexdigest()
    return _Place(node, path, children, own, fingerprint)


class _Comparison:
    """Pairs the nodes of two documents, and tells what became of each."""

    def __init__(self, before: Automation, after: Automation) -> None:
        self._before, self._after = before, after
        self._pairs: list[tuple[_Place, _Place, bool]] = []
        self._removed: list[_Place] = []
        self._added: list[_Place] = []

    def changes(self) -> list[Change]:
        for name in ("nodes", "post_processing_nodes"):
            self._pair_lists(
                _places(getattr(self._before, name), (name,)), _places(getattr(self._after, name), (name,))
            )
        self._pair_across_lists()
        found = [Change("removed", path_text(place.path), path_text(place.path), place.what) for place in self._removed]
        found += [Change("added", path_text(place.path), "", place.what) for place in self._added]
        for old, new, is_moved in self._pairs:
            if is_moved:
                found.append(Change("moved", path_text(new.path), path_text(old.path), new.what))
            if old.fingerprint != new.fingerprint:
                found += self._changed_fields(old, new)
        return found

    def _changed_fields(self, old: _Place, new: _Place) -> Iterator[Change]:
        action = _innermost(new.node)
        is_secret = action is not None and is_secret_field(action)

        def is_hidden(path: _Path) -> bool:
            return is_secret and path[-1] == "input_text"

        yield from _fields(old.own, new.own, old.path, new.path, is_hidden)

    def _pair_lists(self, before: list[_Place], after: list[_Place]) -> None:
        """Pair the nodes of two lists that belong together, and then the lists inside the pairs."""
        pairs: dict[int, int] = {}
        _pair_ends(before, after, pairs)
        for key in (_by_fingerprint, _by_label, _by_locator):
            _pair_by(key, before, after, pairs)
        in_order = _longest_in_order(pairs)
        _pair_in_gaps(before, after, pairs, in_order)
        matched = set(pairs.values())
        for position, old in enumerate(before):
            if position not in pairs:
                self._removed.append(old)
                continue
            new = after[pairs[position]]
            self._pairs.append((old, new, position not in in_order))
            if old.fingerprint != new.fingerprint:
                for (_, old_children), (_, new_children) in zip(old.children, new.children, strict=True):
                    self._pair_lists(old_children, new_children)
        self._added += [place for position, place in enumerate(after) if position not in matched]

    def _pair_across_lists(self) -> None:
        """A node that left one list and appeared in another, unchanged, was moved."""
        waiting: dict[str, deque[_Place]] = defaultdict(deque)
        for place in self._removed:
            waiting[place.fingerprint].append(place)
        still_added: list[_Place] = []
        gone: set[int] = set()
        for new in self._added:
            if waiting[new.fingerprint]:
                old = waiting[new.fingerprint].popleft()
                gone.add(id(old))
                self._pairs.append((old, new, True))
            else:
                still_added.append(new)
        self._added = still_added
        self._removed = [place for place in self._removed if id(place) not in gone]


def _innermost(node: Node) -> Element | None:
    chosen = getattr(node, "chosen", None)
    inner = getattr(chosen, "chosen", chosen)
    return inner if isinstance(inner, Element) else None


def _by_fingerprint(place: _Place) -> Hashable:
    return place.fingerprint


def _by_label(place: _Place) -> Hashable:
    label = (place.node.label or "").strip()
    return (kind_of(place.node), label) if label else None


def _by_locator(place: _Place) -> Hashable:
    locator = locator_text_of(place.node)
    return (kind_of(place.node), locator) if locator else None


def _pair_ends(before: list[_Place], after: list[_Place], pairs: dict[int, int]) -> None:
    """What is equal from the beginning and from the end stays where it is, however often it occurs."""
    start = 0
    while start < min(len(before), len(after)) and before[start].fingerprint == after[start].fingerprint:
        pairs[start] = start
        start += 1
    old, new = len(before) - 1, len(after) - 1
    while old >= start and new >= start and before[old].fingerprint == after[new].fingerprint:
        pairs[old] = new
        old, new = old - 1, new - 1


def _pair_by(
    key: Callable[[_Place], Hashable], before: list[_Place], after: list[_Place], pairs: dict[int, int]
) -> None:
    """Pair what has the same key, the first with the first."""
    matched = set(pairs.values())
    waiting: dict[Hashable, deque[int]] = defaultdict(deque)
    for position, place in enumerate(after):
        if position not in matched:
            waiting[key(place)].append(position)
    for position, place in enumerate(before):
        found = key(place)
        if position not in pairs and found is not None and waiting[found]:
            pairs[position] = waiting[found].popleft()


def _pair_in_gaps(before: list[_Place], after: list[_Place], pairs: dict[int, int], in_order: set[int]) -> None:
    """Pair nodes of one kind that stand between the same neighbors: one became the other."""
    fixed_new = {pairs[position] for position in in_order}
    matched = set(pairs.values())
    waiting: dict[tuple[int, str], deque[int]] = defaultdict(deque)
    gap = 0
    for position, place in enumerate(after):
        gap += position in fixed_new
        if position not in matched:
            waiting[gap, kind_of(place.node)].append(position)
    gap = 0
    for position, place in enumerate(before):
        gap += position in in_order
        candidates = waiting[gap, kind_of(place.node)] if position not in pairs else None
        if candidates:
            pairs[position] = candidates.popleft()
            in_order.add(position)


def _longest_in_order(pairs: Mapping[int, int]) -> set[int]:
    """The old positions of the most pairs that keep their order; the others have moved.

    Source: https://en.wikipedia.org/wiki/Longest_increasing_subsequence (patience sorting)
    """
    tops: list[int] = []
    piles: list[int] = []
    before_it: dict[int, int | None] = {}
    for old in sorted(pairs):
        pile = bisect_left(tops, pairs[old])
        before_it[old] = piles[pile - 1] if pile else None
        if pile == len(tops):
            tops.append(pairs[old])
            piles.append(old)
        else:
            tops[pile], piles[pile] = pairs[old], old
    found: set[int] = set()
    current = piles[-1] if piles else None
    while current is not None:
        found.add(current)
        current = before_it[current]
    return found
