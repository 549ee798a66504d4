using WinLoop.Mounting.Windows;

namespace WinLoop.Mounting.Tests.Windows;

public sealed class NameCaseTests
{
    [Theory]
    [InlineData("ReadMe.TXT", "README.TXT")]
    [InlineData("äéÿœж", "ÄÉŸŒЖ")]
    [InlineData("ß", "ß")]
    [InlineData("ı", "ı")]
    [InlineData("ς\u00B5ſ", "ς\u00B5ſ")]
    [InlineData("σ\u03BC", "Σ\u039C")]
    [InlineData("\u01C5\u01C6\u1E9B", "\u01C5\u01C4\u1E9B")]
    [InlineData("\U00010428", "\U00010428")]
    [InlineData("\uF0E1\uF061", "\uF0E1\uF061")]
    [InlineData("az{`@[", "AZ{`@[")]
    public void Folds_each_unit_alone(string name, string folded)
    {
        char[] buffer = new char[name.Length];
        NameCase.Fold(name, buffer);
        Assert.Equal(folded, new string(buffer));
        Assert.True(NameCase.FoldedEquals(name, folded));
        Assert.Equal(0, NameCase.FoldedCompare(name, folded));
        Assert.Equal(NameCase.FoldedHash(name), NameCase.FoldedHash(folded));
    }

    [Fact]
    public void Folding_twice_changes_nothing_and_leaves_escapes_and_surrogates_alone()
    {
        for (int c = 0; c <= char.MaxValue; c++)
        {
            char folded = NameCase.Fold((char)c);
            Assert.Equal(folded, NameCase.Fold(folded));
            Assert.True(folded == c || (folded == char.ToUpperInvariant((char)c) && char.ToLowerInvariant(folded) == c));
            if (char.IsSurrogate((char)c) || c is >= 0xE000 and <= 0xF8FF)
            {
                Assert.Equal(c, folded);
            }
        }
    }

    [Fact]
    public void No_two_lower_case_units_become_one()
    {
        var from = new Dictionary<char, char>();
        for (int c = 0; c <= char.MaxValue; c++)
        {
            char folded = NameCase.Fold((char)c);
            Assert.True(folded == c || from.TryAdd(folded, (char)c));
        }

        // 1163 in the table of Wine 8; Unicode only adds to them.
        Assert.InRange(from.Count, 1163, 1400);
    }

    [Fact]
    public void Different_names_differ()
    {
        Assert.False(NameCase.FoldedEquals("abc", "abd"));
        Assert.False(NameCase.FoldedEquals("abc", "abcd"));
        Assert.False(NameCase.FoldedEquals("\U00010428", "\U00010400"));
        Assert.True(NameCase.FoldedCompare("a", "B") < 0 && NameCase.FoldedCompare("b", "A") > 0 && NameCase.FoldedCompare("a", "AB") < 0);
        string longName = new('a', 1000);
        Assert.Equal(NameCase.FoldedHash(longName), NameCase.FoldedHash(longName.ToUpperInvariant()));
        Assert.NotEqual(NameCase.FoldedHash(longName), NameCase.FoldedHash(longName.AsSpan(1)));
    }
}
