from executor.masking import Masking


def test_hidden_values_are_dots_everywhere_longest_first() -> None:
    masking = Masking()
    masking.hide("secret")
    masking.hide("secret-and-more")

    assert masking.mask("a secret-and-more, a secret, another") == "a •••, a •••, another"


def test_a_very_short_value_is_left_alone() -> None:
    masking = Masking()
    masking.hide("a")

    assert masking.mask("banana") == "banana"
