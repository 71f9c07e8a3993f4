"""The JSON Schema of documents, for editors: completion, help, and the mistakes that a schema can see.

It accepts what `load` accepts. What no schema can say (types of output formats to their end, locator commands,
addresses of callbacks, names of output variables) is left to `load` and the linter.
"""

from collections.abc import Callable, Mapping
from typing import Any

from automation.actions.interaction import InteractionAction
from automation.actions.text import KEY_NAMES
from automation.document import Automation
from automation.element import OneOf
from automation.linter.catalog import RULES
from automation.nodes import NODE_TYPES
from automation.output_format import TYPE_NAMES
from automation.parameters import RESERVED_NAMES
from automation.schema_texts import DESCRIPTIONS, EXAMPLES
from automation.unknown_keys import IGNORE_KEY

_Schema = dict[str, Any]
# What counts as a number or a truth when it is written as a text, as pydantic reads it.
_WHOLE_NUMBER_TEXT = r"^\s*[-+]?[0-9][0-9_]*(\.0*)?\s*$"
_NUMBER_TEXT = r"^\s*[-+]?([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9][0-9_]*)([eE][-+]?[0-9]+)?\s*$"
_TRUTH_TEXT = "^([tT]([rR][uU][eE])?|[fF]([aA][lL][sS][eE])?|[yY]([eE][sS])?|[nN][oO]?|[oO][nN]|[oO][fF][fF]|[01])$"
# Letters of all languages are allowed, so the signs that are not are listed.
_IDENTIFIER = r"^[^0-9\s!-/:-@\[-^`{-~][^\s!-/:-@\[-^`{-~]*$"
_NULL: _Schema = {"type": "null"}


def json_schema() -> _Schema:
    """The schema (draft 2020-12), made from the models anew at each call."""
    generated = Automation.model_json_schema(mode="validation")
    definitions: dict[str, _Schema] = generated.pop("$defs")
    schemas = {"Automation": generated, **definitions}
    for name, schema in schemas.items():
        _describe(name, schema)
    for name, change in _RULES.items():
        change(schemas[name])
    for model in _one_of_models():
        schemas[model.__name__]["oneOf"] = [_given(name) for name in model.choices()]
    definitions["TypedNode"] = _typed_node()
    definitions["Node"] = _node()
    definitions["OutputType"] = _output_type()
    definitions |= {"Key": _key(), "True": _truth(), "LintIgnore": _ignore_list()}
    _point_to_nodes(schemas)
    for name in ("Automation", *(model.__name__ for model in NODE_TYPES.values())):
        schemas[name]["properties"][IGNORE_KEY] = {"$ref": "#/$defs/LintIgnore", "description": _IGNORE_HELP}
    lenient = {name: _lenient(schema) for name, schema in definitions.items()}
    forms = [{"type": "boolean"}, {"enum": [0, 1]}, {"type": "string", "pattern": _TRUTH_TEXT}]
    lenient["Boolean"] = {"anyOf": forms}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "Automation document",
        **_lenient(generated),
        "$defs": dict(sorted(lenient.items())),
    }


def _one_of_models() -> list[type[OneOf]]:
    """All models that hold exactly one of several elements."""
    found: list[type[OneOf]] = []
    pending: list[type[OneOf]] = [OneOf]
    while pending:
        for model in pending.pop().__subclasses__():
            if model.__module__.startswith("automation."):
                found.append(model)
            pending.append(model)
    return found


def _describe(name: str, schema: _Schema) -> None:
    """Put our words in the place of generated titles, and leave out defaults that say nothing."""
    schema.pop("title", None)
    for field, value in schema.get("properties", {}).items():
        value.pop("title", None)
        if value.get("default", ...) is None:
            del value["default"]
        description = DESCRIPTIONS.get(f"{name}.{field}") or DESCRIPTIONS.get(field)
        if description is not None:
            value["description"] = description
        example = EXAMPLES.get(field)
        if example is not None:
            value["examples"] = [example]


def _given(name: str) -> _Schema:
    return {"required": [name], "properties": {name: {"not": _NULL}}}


def _filled(name: str) -> _Schema:
    return {"required": [name], "properties": {name: {"type": "string", "pattern": r"\S"}}}


def _true(name: str) -> _Schema:
    return {"required": [name], "properties": {name: {"$ref": "#/$defs/True"}}}


def _truth() -> _Schema:
    """What certainly reads as true; the odd spellings (`tRUE`) that are left out are only taken without a check."""
    return {"enum": [True, 1, *(f(word) for word in ("true", "yes", "on", "t", "y") for f in (str, str.upper)), "1"]}


def _rule(schema: _Schema, condition: _Schema, consequence: _Schema) -> None:
    schema.setdefault("allOf", []).append({"if": condition, "then": consequence})


def _is_type(kind: str) -> _Schema:
    return {"required": ["type"], "properties": {"type": {"const": kind}}}


def _typed_node() -> _Schema:
    choices = [
        {"if": _is_type(kind), "then": {"$ref": f"#/$defs/{model.__name__}"}} for kind, model in NODE_TYPES.items()
    ]
    return {
        "description": "A step. Its type says which other fields it has.",
        "type": "object",
        "properties": {"type": {"enum": list(NODE_TYPES)}},
        "required": ["type"],
        "allOf": choices,
    }


def _node() -> _Schema:
    """A node of which older documents may leave out the type: then its keys tell what it is."""
    inferred: _Schema = {"$ref": "#/$defs/ActionNode"}
    for keys, kind in (
        (["locator", "nodes"], "ForLoopNode"),
        (["locator", "assertion"], "AssertLocatorNode"),
        (["variable_name"], "ForLoopNode"),
        (["condition"], "IfElseNode"),
    ):
        inferred = {"if": {"required": keys}, "then": {"$ref": f"#/$defs/{kind}"}, "else": inferred}
    return {
        "description": "A step. Its type says which other fields it has.",
        "type": "object",
        "properties": {"type": {"enum": list(NODE_TYPES)}},
        "if": {"required": ["type"]},
        "then": {"$ref": "#/$defs/TypedNode"},
        "else": inferred,
    }


_NODE_LISTS = {
    "Automation": ("nodes", "post_processing_nodes"),
    "ForLoopNode": ("nodes", "reset_nodes"),
    "IfElseNode": ("if_nodes", "else_nodes"),
}


def _point_to_nodes(schemas: Mapping[str, _Schema]) -> None:
    for name, fields in _NODE_LISTS.items():
        for field in fields:
            kind = "TypedNode" if field == "post_processing_nodes" else "Node"
            schemas[name]["properties"][field]["items"] = {"$ref": f"#/$defs/{kind}"}


_IGNORE_HELP = "Rules of the linter that are not to be told here, by id or name. Without effect on runs."


def _ignore_list() -> _Schema:
    known = [*RULES, *(rule.name for rule in RULES.values())]
    return {
        "anyOf": [{"type": "array", "items": {"anyOf": [{"enum": known}, {}]}}, {}],
    }


def _lenient(schema: Any) -> Any:
    """A schema that takes numbers and truths as the loader does: also written as texts, or as each other."""
    if isinstance(schema, list):
        return [_lenient(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("strict_numbers"):
        return {key: value for key, value in schema.items() if key != "strict_numbers"}
    changed = {key: _lenient(value) for key, value in schema.items()}
    match schema.get("type"):
        case "integer":
            changed |= {"type": ["integer", "string", "boolean"], "pattern": _WHOLE_NUMBER_TEXT}
        case "number":
            changed |= {"type": ["number", "string", "boolean"], "pattern": _NUMBER_TEXT}
        case "boolean":
            del changed["type"]
            changed["$ref"] = "#/$defs/Boolean"
        case _:
            pass
    return changed


# What the models check by themselves, as far as a schema can say it

_SCALAR: _Schema = {"type": ["string", "number", "boolean"], "strict_numbers": True}
_TYPE_TEXT = rf"^[\s(\"']*({'|'.join(TYPE_NAMES)})\b"


def _automation(schema: _Schema) -> None:
    refused = sorted(set(InteractionAction.choices()) - {"click_element", "input_text", "key_press", "agentic_task"})
    none_of_them: _Schema = {"not": {"anyOf": [_given(name) for name in refused]}}
    nodes = {"items": {"properties": {"interaction_action": none_of_them}}}
    is_remote = {"required": ["browser_channel"], "properties": {"browser_channel": {"const": "rdp"}}}
    _rule(schema, is_remote, {"properties": {"nodes": nodes}})


def _parameters(schema: _Schema) -> None:
    names = {"pattern": _IDENTIFIER, "not": {"enum": sorted(RESERVED_NAMES)}}
    fields = schema["properties"]
    for field in fields.values():
        field["propertyNames"] = names
    fields["input_parameters"]["additionalProperties"] = {"type": "array", "items": _SCALAR}
    with_null = {"type": ["string", "number", "boolean", "null"], "strict_numbers": True}
    fields["generated_parameters"]["additionalProperties"] = {"type": "array", "items": with_null}


def _stored_secret(schema: _Schema) -> None:
    is_seed = {"required": ["type"], "properties": {"type": {"const": "totp_secret"}}}
    schema.setdefault("allOf", []).append({"if": is_seed, "then": _given("digits"), "else": {"not": _given("digits")}})


def _action_node(schema: _Schema) -> None:
    _rule(schema, _true("expect_new_tab"), _given("interaction_action"))


def _for_loop_node(schema: _Schema) -> None:
    schema["oneOf"] = [_filled("variable_name"), _filled("locator")]
    schema["properties"]["index_variable_name"]["pattern"] = _IDENTIFIER


def _targeted(schema: _Schema) -> None:
    fields = schema["properties"]
    fields["coordinates"] |= {"anyOf": [{"type": "array", "minItems": 2, "maxItems": 2}, _NULL]}
    fields["bounding_box_variables"] |= {"anyOf": [_four_names(), _NULL]}
    schema.setdefault("allOf", []).append({"not": {"allOf": [_given("xpath"), _given("command")]}})
    _rule(schema, _true("assert_locator_presence"), _given("command"))


def _four_names() -> _Schema:
    return {"type": "array", "items": {"type": "string"}, "minItems": 4, "maxItems": 4}


def _input_text(schema: _Schema) -> None:
    _targeted(schema)
    _rule(schema, _true("press_enter"), _filled("command"))


def _upload_file(schema: _Schema) -> None:
    _targeted(schema)
    schema["oneOf"] = [
        {"required": [name], "properties": {name: {"not": {"enum": [None, ""]}}}} for name in ("file_path", "file_url")
    ]


def _click(schema: _Schema) -> None:
    _targeted(schema)
    deviation = schema["properties"]["mouse_click_deviation"]
    deviation["anyOf"][0] |= {"propertyNames": {"enum": ["x", "y"]}}


def _key_press(schema: _Schema) -> None:
    _targeted(schema)
    key: _Schema = {"$ref": "#/$defs/Key"}
    schema["properties"]["type"] |= {"anyOf": [key, {"type": "array", "items": key}]}


def _key() -> _Schema:
    return {"anyOf": [{"enum": sorted(KEY_NAMES)}, {"type": "string", "pattern": r"\{[^{}]+\}"}]}


def _drag_to(schema: _Schema) -> None:
    _targeted(schema)
    schema["properties"]["target"]["pattern"] = r"\S"
    schema["properties"]["steps"]["minimum"] = 1


def _scroll(schema: _Schema) -> None:
    schema["properties"]["amount"]["minimum"] = -1


def _exactly_one(*names: str) -> Callable[[_Schema], None]:
    def change(schema: _Schema) -> None:
        schema["oneOf"] = [_given(name) for name in names]

    return change


def _set_variable(schema: _Schema) -> None:
    schema["properties"]["value"] |= {"anyOf": [_SCALAR, _NULL]}
    schema["oneOf"] = [_given("value"), _given("expression")]


def _not_blank(name: str) -> Callable[[_Schema], None]:
    def change(schema: _Schema) -> None:
        schema["properties"][name]["pattern"] = r"\S"

    return change


def _with_format(name: str) -> Callable[[_Schema], None]:
    def change(schema: _Schema) -> None:
        schema["properties"][name] |= {"additionalProperties": {"$ref": "#/$defs/OutputType"}} | _NO_MODEL_CONFIG

    return change


_NO_MODEL_CONFIG: _Schema = {"propertyNames": {"not": {"const": "model_config"}}}


def _callback_url(schema: _Schema) -> None:
    both_or_neither = [
        {"allOf": [_given("username"), _given("password")]},
        {"not": {"anyOf": [_given("username"), _given("password")]}},
    ]
    schema["allOf"] = [{"anyOf": both_or_neither}, {"not": {"allOf": [_given("api_key"), _given("username")]}}]


def _form_mapping(schema: _Schema) -> None:
    _with_format("extraction_format")(schema)
    schema["properties"]["output_variable_name"]["pattern"] = _IDENTIFIER


def _locator_extraction(schema: _Schema) -> None:
    schema["properties"]["read"] |= {
        "anyOf": [
            {"enum": ["text", "value", "checked", "html", "table"]},
            {"type": "string", "pattern": "^attribute:[^\\s\"'<>/=]+$"},
        ]
    }


def _output_type() -> _Schema:
    inner = {"$ref": "#/$defs/OutputType"}
    return {
        "description": "A type such as str, float, list[str] or Optional[int]; an object of types; a list of one type.",
        "anyOf": [
            {"type": "string", "pattern": _TYPE_TEXT},
            {"type": "object", "additionalProperties": inner, **_NO_MODEL_CONFIG},
            {"type": "array", "prefixItems": [{"allOf": [inner, {"type": ["string", "object"]}]}], "minItems": 1},
            {"type": ["number", "boolean", "null"], "strict_numbers": True},
        ],
    }


_RULES: Mapping[str, Callable[[_Schema], None]] = {
    "Automation": _automation,
    "Parameters": _parameters,
    "OnePasswordParameter": _stored_secret,
    "AmazonSecretsManagerParameter": _stored_secret,
    "VaultParameter": _stored_secret,
    "ActionNode": _action_node,
    "ForLoopNode": _for_loop_node,
    "ClickElementAction": _click,
    "InputTextAction": _input_text,
    "SelectOptionAction": _targeted,
    "CheckAction": _targeted,
    "UncheckAction": _targeted,
    "HoverAction": _targeted,
    "DragToAction": _drag_to,
    "UploadFileAction": _upload_file,
    "KeyPressAction": _key_press,
    "ScrollAction": _scroll,
    "CloseTabsUntilAction": _exactly_one("matching_url", "tab_index"),
    "SetVariableAction": _set_variable,
    "PythonScriptExtraction": _not_blank("script"),
    "PythonScriptAssertion": _not_blank("script"),
    "LLMExtraction": _with_format("extraction_format"),
    "LLMAssertion": _with_format("extraction_format"),
    "PDFExtraction": _with_format("extraction_format"),
    "LLMQueryAction": _with_format("output_format"),
    "DynamicFormMappingAction": _form_mapping,
    "FormMappingCallbackUrl": _callback_url,
    "LocatorExtraction": _locator_extraction,
}
