"""The forms of shared workflows have the incumbent's inputs, types, defaults, ranges and outputs, in its order."""

import gzip
import json

import animatediff_native.nodes.compat as compat
import pytest
from oracles import DATA

THEIRS = json.loads(gzip.decompress((DATA / "ade_nodes.json.gz").read_bytes()))
OURS = {node.GET_SCHEMA().node_id: node for node in compat.NODES}
NOT_YET = {
    "ADE_AnimateDiffSamplingSettings": {"image_inject", "ancestral_opts"},
    **{name: {"cfg_extras"} for name in THEIRS if name.startswith("ADE_CustomCFG")},
}
"""Sockets of features that are not here."""


def test_every_form_is_one_of_theirs():
    assert len(OURS) == len(compat.NODES) > 55
    assert set(OURS) <= set(THEIRS)


@pytest.mark.parametrize("node_id", OURS)
def test_inputs(node_id):
    found = OURS[node_id].INPUT_TYPES()
    for group in ("required", "optional"):
        left_out = NOT_YET.get(node_id, set())
        theirs = [(name, facts) for name, facts in THEIRS[node_id][group] if name not in left_out]
        ours = found.get(group, {})
        assert list(ours) == [name for name, _ in theirs], group
        for name, facts in theirs:
            kind, options = ours[name][0], ours[name][1]
            if facts["type"] == "COMBO":
                choices = kind if isinstance(kind, list) else options["options"]
                if "<file list" not in facts["options"][0]:
                    assert choices == facts["options"], name
                    assert options.get("default", choices[0]) == facts["default"], name
                continue
            assert kind == facts["type"], name
            for key in ("default", "min", "max", "step"):
                if key in facts and facts["type"] in ("INT", "FLOAT", "BOOLEAN"):
                    own = options.get(key, 1 if (facts["type"], key) == ("INT", "step") else None)
                    assert own == facts[key], (name, key)
            assert bool(options.get("forceInput")) == bool(facts.get("forceInput")), name


@pytest.mark.parametrize("node_id", OURS)
def test_outputs(node_id):
    schema = OURS[node_id].GET_SCHEMA()
    assert [[output.display_name, output.io_type] for output in schema.outputs] == THEIRS[node_id]["outputs"]
    assert schema.is_deprecated and "In new ones use" in schema.description
