import pytest

from acme.roman import from_roman, to_roman


class TestToRoman:
    @pytest.mark.parametrize("number, numeral", [(1, "I"), (8, "VIII"), (2026, "MMXXVI")])
    def test_sums(self, number, numeral):
        assert to_roman(number) == numeral

    @pytest.mark.parametrize("number, numeral", [(4, "IV"), (49, "XLIX"), (1994, "MCMXCIV"), (3999, "MMMCMXCIX")])
    def test_differences(self, number, numeral):
        assert to_roman(number) == numeral

    @pytest.mark.parametrize("number", [0, -1, 4000])
    def test_out_of_range(self, number):
        with pytest.raises(ValueError):
            to_roman(number)


class TestFromRoman:
    def test_differences(self):
        assert from_roman("MCMXCIV") == 1994

    def test_sums(self):
        assert from_roman("CLXVI") == 166


class TestBothWays:
    def test_a_century(self):
        assert [from_roman(to_roman(n)) for n in range(1, 101)] == list(range(1, 101))
        assert sum(len(to_roman(n)) for n in range(1, 101)) == 401
