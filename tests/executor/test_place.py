from executor.place import Place


def test_a_place_is_a_path_a_depth_and_the_passes_around_it() -> None:
    place = Place("nodes").item(2)
    assert (place.path, place.depth, place.passes, place.details) == ("nodes[2]", 0, (), {})

    branch = place.inside("if_nodes").item(0)
    assert (branch.path, branch.depth, branch.passes, branch.details) == ("nodes[2].if_nodes[0]", 1, (), {})

    looped = branch.inside("nodes", in_pass=0).item(1)
    assert (looped.path, looped.depth) == ("nodes[2].if_nodes[0].nodes[1]", 2)
    assert (looped.passes, looped.details) == ((0,), {"pass": 0})

    nested = looped.inside("else_nodes").item(0).inside("reset_nodes", in_pass=3)
    assert (nested.path, nested.depth) == ("nodes[2].if_nodes[0].nodes[1].else_nodes[0].reset_nodes", 4)
    assert (nested.passes, nested.details) == ((0, 3), {"pass": [0, 3]})
