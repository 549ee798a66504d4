namespace WinLoop.Ext4.Tests.Hostile;

/// <summary>Every recipe in Recipes/ stays without a failure, by both judges.</summary>
public sealed class RecipeTests
{
    private const string Prefix = "recipe.";
    private static readonly Lazy<List<HostileSeed>> s_seeds = new(() => HostileCorpus.Make(withRefused: true));

    /// <summary>The names of the recipes.</summary>
    public static TheoryData<string> Names => [.. typeof(RecipeTests).Assembly.GetManifestResourceNames()
        .Where(n => n.StartsWith(Prefix, StringComparison.Ordinal)).Select(n => n[Prefix.Length..]).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Names))]
    public void A_recipe_does_no_harm(string name)
    {
        using var reader = new StreamReader(typeof(RecipeTests).Assembly.GetManifestResourceStream(Prefix + name)!);
        var recipe = Recipe.Parse(reader.ReadToEnd());
        HostileSeed[] seeds = [s_seeds.Value.Single(s => s.Name == recipe.Seed)];
        string? wrong = new HostileExecutor(seeds).Run(recipe);
        Assert.True(wrong is null, wrong);
        if (new DamageExecutor(seeds).Run(recipe) is { } outcome)
        {
            Assert.True(outcome.Wrong is null, outcome.Wrong);
            Assert.DoesNotContain(outcome.Fresh, f => !KnownConsequences.Explain(outcome.Before, f));
        }
    }

    [Fact]
    public void What_a_failure_prints_is_a_recipe_that_does_the_same()
    {
        foreach (HostileSeed seed in s_seeds.Value)
        {
            var map = new ImageMap(seed);
            HostileDevice once = new(seed.Image), again = new(seed.Image);
            var mutator = new ImageMutator(map);
            for (int i = 0; i < 50; i++)
            {
                once.Restore();
                again.Restore();
                mutator.Mutate(once, new Random(i));
                string text = new Recipe(seed.Name, [.. mutator.Log], i).ToString();
                Recipe.Parse(text).Apply(again, map, mutator);
                Assert.True(once.Length == again.Length && once.Bytes.AsSpan().SequenceEqual(again.Bytes), text);
            }
        }
    }

    [Fact]
    public void Damage_is_put_into_the_journal_where_recovery_finds_it()
    {
        HostileSeed seed = s_seeds.Value.Single(s => s.Name == "1k-dirty");
        var map = new ImageMap(seed);
        var device = new HostileDevice(seed.Image);
        var mutator = new ImageMutator(map);
        Recipe.Parse("seed 1k-dirty\nset Inode 2 0 +18 2 3E7\nfix\nwalk 1").Apply(device, map, mutator); // i_gid of the root
        using Ext4Volume volume = Ext4Volume.Mount(device, new Ext4MountOptions { IsReadOnly = true });
        Inode root = volume.GetInode(Ext4Volume.RootInode);
        Assert.Equal(999u, volume.GetAttributes(root).Gid);
        volume.Release(root);
    }
}
