"""The rules of the linter: what each is called, how serious it is, and what it looks for.

Ids and names are stable: people write them into `lint_ignore`, pipelines filter by them. docs/linter.md has a
section for each of them.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

Severity = Literal["error", "warning", "info"]
SEVERITIES: tuple[Severity, ...] = ("error", "warning", "info")


class Finding(NamedTuple):
    """One thing that a reviewer should know about a document.

    rule, name: `AL301`, `unusable-locator`. path: `nodes[3].interaction_action.click_element.command`, "" for the
    document itself. message: what is there. fix: what would be better. portable: False when other programs that
    run such documents do something else here; None where that is no question.
    """

    rule: str
    name: str
    severity: Severity
    path: str
    message: str
    fix: str
    portable: bool | None = None


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. `error`: this cannot work. `warning`: probably not meant. `info`: worth knowing."""

    id: str
    name: str
    severity: Severity
    summary: str
    portable: bool | None = None

    def at(self, path: str, message: str, fix: str) -> Finding:
        """The finding of this rule at `path`."""
        return Finding(self.id, self.name, self.severity, path, message, fix, self.portable)


_declared: list[Rule] = []


def _rule(id: str, name: str, severity: Severity, summary: str, *, portable: bool | None = None) -> Rule:
    rule = Rule(id, name, severity, summary, portable)
    _declared.append(rule)
    return rule


# The document as it is written
INVALID = _rule("AL001", "invalid-document", "error", "The document does not load.")
UNKNOWN_KEY = _rule("AL002", "unknown-key", "warning", "A key that nothing knows is ignored, and its value lost.")
NO_TYPE = _rule("AL003", "node-without-type", "info", "A node of the older form, whose type is guessed from its keys.")
UNKNOWN_IGNORE = _rule("AL004", "unknown-ignored-rule", "warning", "`lint_ignore` names a rule that does not exist.")
DUPLICATE_KEY = _rule(
    "AL005", "duplicate-key", "warning", "A key stands twice in one object; only the last one counts."
)

# Parameters and variables
UNDECLARED = _rule(
    "AL101", "undeclared-parameter", "error", "A placeholder names something that is neither declared nor set."
)
UNUSED = _rule("AL102", "unused-parameter", "warning", "A parameter is declared that the document never uses.")
NEVER_SET = _rule("AL103", "generated-never-set", "warning", "A generated parameter is declared, but no node sets it.")
UNDECLARED_OUTPUT = _rule(
    "AL104", "undeclared-output", "info", "A node sets a variable that is not declared as a generated parameter."
)
BEYOND_EXAMPLE = _rule(
    "AL105", "index-beyond-example", "warning", "A position is used that the example values do not have."
)
MISSPELT = _rule(
    "AL106", "misspelt-placeholder", "warning", "Braces around a known name are no placeholder and stay as they are."
)
UNBOUND = _rule(
    "AL107", "unbound-loop-placeholder", "error", "A placeholder of a loop stands where that loop does not reach."
)
SHADOWED = _rule(
    "AL108", "shadowed-index", "warning", "Two loops inside each other use one index name; the outer one wins."
)
NOT_EXPANDED = _rule(
    "AL109", "placeholder-not-expanded", "warning", "A placeholder stands in a field that is taken as it is."
)
BEFORE_SET = _rule("AL110", "used-before-set", "error", "A variable is used where no node can have set it yet.")
MAYBE_UNSET = _rule(
    "AL111", "maybe-unset", "warning", "A variable is set on some ways to this node, but not on all of them."
)
TWO_MAPS = _rule("AL112", "name-in-two-maps", "warning", "One name is declared twice; which value wins depends.")
GENERATED_VALUES = _rule(
    "AL113", "generated-values-ignored", "warning", "Values of generated parameters are never loaded."
)
SECRET_INVISIBLE = _rule(
    "AL114", "secret-not-visible-here", "error", "Secure parameters cannot be used in programs, loops and metadata."
)
NEVER_USED = _rule("AL115", "result-never-used", "info", "A variable is set and never used.")
DEFAULT_NAME = _rule(
    "AL116", "default-name-used", "warning", "`node{k}_output` names another node as soon as a node is inserted."
)

# Conditions and expressions
UNREADABLE = _rule("AL201", "unreadable-condition", "error", "A condition or expression is outside the language.")
UNKNOWN_NAME = _rule("AL202", "unknown-name", "error", "A condition or expression uses a name that does not exist.")
CONSTANT = _rule("AL203", "constant-condition", "warning", "A condition that is always true, or always false.")
QUOTED = _rule(
    "AL204", "quoted-placeholder", "warning", "In a condition, a placeholder in quotes is a text and not the value."
)
LIST_AS_VALUE = _rule(
    "AL205", "list-used-as-value", "warning", "A variable is a list: its own truth is not that of its first value."
)
UNQUOTED = _rule(
    "AL206", "unquoted-text", "warning", "A text that is put into an expression without quotes is read as code."
)

# Locators
UNUSABLE = _rule("AL301", "unusable-locator", "error", "A locator command that cannot be read finds nothing.")
ABSOLUTE_XPATH = _rule("AL302", "absolute-xpath", "warning", "A path from the root breaks with any change above it.")
POSITIONAL = _rule("AL303", "positional-chain", "warning", "The element is found by its place in the page's structure.")
POSITION = _rule("AL304", "position-without-need", "info", "One of several matches is taken by its number.")
GENERATED_ID = _rule("AL305", "generated-id", "warning", "An id that a program made up changes with the next build.")
GENERATED_CLASS = _rule(
    "AL306", "generated-class", "warning", "A class that a program made up changes with the next build."
)
LONG_TEXT = _rule("AL307", "long-text", "warning", "A long text breaks with any change of a word in it.")
TOO_GENERAL = _rule(
    "AL308", "locator-too-general", "info", "An action needs exactly one match, and this may match several elements."
)
XPATH_FIELD = _rule(
    "AL309", "xpath-field", "warning", "The field `xpath` is ignored by other programs.", portable=False
)
COMMAND_IGNORED = _rule(
    "AL310", "command-without-effect", "warning", "Keys go to the page; a `key_press` finds no element."
)

# Secrets
IN_CLEAR = _rule("AL401", "secret-in-clear", "warning", "A password, key or token stands in the document.")
SECRET_INPUT = _rule(
    "AL402", "secret-as-input", "warning", "An input parameter is stored and shown, and this one sounds like a secret."
)
SEED = _rule("AL403", "seed-in-document", "warning", "The seed of one-time codes stands in the document.")
SECRET_SHOWN = _rule(
    "AL404", "secret-in-visible-text", "warning", "A secret is put into a text that is stored or shown."
)
STATE = _rule("AL405", "state-stores-session", "warning", "The page's state holds cookies that sign anyone in.")

# What happens, and when
UNREACHABLE = _rule("AL501", "unreachable-nodes", "warning", "Nodes that never run.")
NO_PROGRESS = _rule("AL502", "loop-without-progress", "warning", "Every pass of a loop does the same.")
POLL = _rule("AL503", "poll-without-effect", "warning", "An API call's polling never waits for anything.")
LEAVES_PAGE = _rule(
    "AL504", "loop-leaves-page", "warning", "A locator loop leaves the page, and its next match is not there any more."
)
TABS_OPEN = _rule("AL505", "tabs-left-open", "warning", "Each pass opens a tab, and none closes it.")
UNWALKABLE = _rule("AL506", "loop-over-unwalkable", "error", "A loop over something that has no list of values.")
SINGLE = _rule("AL507", "loop-over-single-value", "warning", "A loop over a variable that always holds one value.")
PARALLEL = _rule(
    "AL508", "parallel-lists-differ", "warning", "Lists that are walked in parallel have examples of different length."
)
LOOP_CHANGED = _rule(
    "AL509", "loop-variable-changed", "warning", "A loop's values are taken at its start; its body sets them in vain."
)
NOTHING = _rule("AL510", "does-nothing", "warning", "A node that does nothing.")
ONLY_FIRST = _rule("AL511", "only-first-runs", "warning", "Of several actions in a misc_action only one runs.")
NO_NODES = _rule("AL512", "no-nodes", "warning", "The document has no nodes: its tasks succeed without doing anything.")
NO_ASSERTION = _rule(
    "AL513", "missing-final-assertion", "warning", "Nothing looks whether the last act had its effect."
)
NO_CONSEQUENCE = _rule(
    "AL514", "check-without-consequence", "warning", "A check whose result nobody looks at fails nothing."
)
OPTIONAL_COMMIT = _rule(
    "AL515", "optional-commit", "warning", "An act that matters is skipped without a word when its element is missing."
)
RETRIES_COMMIT = _rule(
    "AL516", "retries-with-commit-point", "info", "After a commit point no attempt begins by itself, whatever is set."
)
RETRY_REPEATS = _rule("AL517", "retry-may-repeat", "info", "Another attempt may submit a second time.")
NO_TARGET = _rule("AL518", "no-target", "error", "An action on an element that nothing describes.")
NO_SCHEME = _rule("AL519", "address-without-scheme", "warning", "An address without http:// or https:// does not open.")
NO_START = _rule("AL520", "no-start-page", "warning", "The run begins on an empty page.")

# Time
FIXED_SLEEP = _rule("AL601", "fixed-sleep", "warning", "A sleep that lasts however fast the page is.")
EXCESSIVE = _rule("AL602", "excessive-wait", "warning", "More than 300 seconds or 100 tries.")
NEGATIVE = _rule("AL603", "negative-number", "warning", "A negative number where it has no meaning.")

# Downloads and files
NEVER_CAUSED = _rule("AL701", "download-never-caused", "warning", "More downloads are expected than nodes cause.")
MORE_CAUSED = _rule("AL702", "more-downloads-than-expected", "info", "Nodes cause more downloads than are expected.")
DOWNLOAD_IGNORED = _rule(
    "AL703", "download-settings-without-effect", "warning", "Settings of a download that is not expected."
)
SAME_NAME = _rule("AL704", "file-name-collision", "warning", "Several files get one name.")
NO_PDF = _rule("AL705", "pdf-without-download", "warning", "A PDF is read, and no node causes a download.")
CANNOT_SAVE = _rule("AL706", "call-cannot-be-saved", "warning", "A repeated request is not stored without a file name.")

# What has to be there
NEEDS_MODEL = _rule("AL801", "needs-model", "info", "This needs a language model.")
NO_RESULT = _rule("AL802", "assertion-without-result", "error", "An assertion's format lacks `assertion_result`.")
BACKEND = _rule("AL803", "backend-always-fails", "error", "The agent backend `browserbase` cannot run.")
SCRIPTS = _rule("AL804", "scripts-disabled", "warning", "Scripts run only where the operator allows them.")
PERSON = _rule("AL805", "needs-person", "info", "A person has to act while the task runs.")
HANDLER = _rule("AL806", "needs-handler", "info", "This calls code that the operator has to install.")
CHANNEL = _rule("AL807", "channel-needs-mapping", "warning", "A browser channel that the operator has to map.")
INTERNAL = _rule("AL808", "internal-address", "warning", "The server does not call internal addresses by itself.")
OUTSIDE = _rule("AL809", "file-outside-uploads", "warning", "A file that is not below the operator's upload folders.")

# Differences from other programs
EXTENSION = _rule(
    "AL901", "extension-not-portable", "info", "Other programs ignore or refuse this field.", portable=False
)
SKIPPED = _rule("AL902", "skipped-in-browsers", "warning", "An action for remote desktops is skipped in a browser.")
NO_EFFECT = _rule("AL903", "field-without-effect", "info", "A field that is kept and has no effect.")
KEY_UNKNOWN = _rule("AL904", "key-without-meaning", "warning", "No browser has this key; nothing is pressed.")
KEY_ELSEWHERE = _rule(
    "AL905", "key-ignored-elsewhere", "info", "Other programs press only a few single keys.", portable=False
)
TYPE_KEEPS = _rule("AL906", "type-does-not-clear", "info", "`fill_or_type: type` adds to the text that is there.")
ASSERTION_ELSEWHERE = _rule(
    "AL907",
    "assertion-fails-elsewhere",
    "info",
    "Other programs know assertions by a model only, and fail the others.",
    portable=False,
)

RULES: Mapping[str, Rule] = {rule.id: rule for rule in _declared}
