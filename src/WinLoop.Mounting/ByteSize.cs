using System.Globalization;

namespace WinLoop.Mounting;

/// <summary>Sizes as people write them.</summary>
public static class ByteSize
{
    private const string Units = "KMGTPE";

    /// <summary>
    /// Reads <c>4096</c>, <c>512K</c>, <c>100M</c>, <c>1.5GiB</c> (powers of 1,024) or <c>100MB</c> (powers of
    /// 1,000, as losetup and truncate have them).
    /// </summary>
    /// <returns>False if it is no size, or more than 8 EiB.</returns>
    public static bool TryParse(string text, out long bytes)
    {
        bytes = 0;
        string number = text.TrimEnd();
        decimal unit = 1;
        if (number.EndsWith("iB", StringComparison.OrdinalIgnoreCase))
        {
            number = number[..^2];
            if (number.Length == 0 || !Units.Contains(char.ToUpperInvariant(number[^1])))
            {
                return false;
            }
            unit = 1024;
        }
        else if (number.EndsWith('B') || number.EndsWith('b'))
        {
            number = number[..^1];
            unit = 1000;
        }
        else
        {
            unit = 1024;
        }
        decimal factor = 1;
        if (number.Length > 0 && Units.IndexOf(char.ToUpperInvariant(number[^1])) is >= 0 and int power)
        {
            number = number[..^1];
            for (int i = 0; i <= power; i++)
            {
                factor *= unit;
            }
        }
        if (!decimal.TryParse(number.Trim(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out decimal value) ||
            value > long.MaxValue / factor)
        {
            return false;
        }
        bytes = (long)(value * factor);
        return true;
    }

    /// <summary>Three significant digits and an IEC unit, for example <c>1.5 GiB</c>.</summary>
    public static string Format(long bytes)
    {
        if (bytes < 1024)
        {
            return string.Create(CultureInfo.InvariantCulture, $"{bytes} B");
        }
        double value = bytes;
        int unit = -1;
        while (value >= 1024 && unit < Units.Length - 1)
        {
            value /= 1024;
            unit++;
        }
        string digits = value >= 100 || value == Math.Floor(value) ? "0" : value >= 10 ? "0.#" : "0.##";
        return value.ToString(digits, CultureInfo.InvariantCulture) + " " + Units[unit] + "iB";
    }
}
