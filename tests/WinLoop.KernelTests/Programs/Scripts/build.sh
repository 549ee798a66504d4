# A library and a program that uses it, built offline inside the mount, run from there, and built again.
export HOME=$T DOTNET_CLI_HOME=$T NUGET_PACKAGES=$M/packages DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 DOTNET_SKIP_FIRST_TIME_EXPERIENCE=1 MSBUILDDISABLENODEREUSE=1
export DOTNET_GENERATE_ASPNET_CERTIFICATE=false
mkdir -p "$M/src/Library" "$M/src/Program"
cd "$M/src"
echo '<configuration><packageSources><clear/></packageSources></configuration>' > nuget.config
echo '<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><TargetFramework>net10.0</TargetFramework></PropertyGroup></Project>' > Library/Library.csproj
echo 'namespace Library; public static class Sum { public static int Of(int a, int b) => a + b; }' > Library/Sum.cs
echo '<Project Sdk="Microsoft.NET.Sdk"><PropertyGroup><OutputType>Exe</OutputType><TargetFramework>net10.0</TargetFramework></PropertyGroup><ItemGroup><ProjectReference Include="../Library/Library.csproj"/></ItemGroup></Project>' > Program/Program.csproj
echo 'System.Console.WriteLine(Library.Sum.Of(40, 2));' > Program/Program.cs
build() { dotnet build Program -v q -nodeReuse:false -p:UseSharedCompilation=false -p:NuGetAudit=false </dev/null; }
build
test "$(dotnet Program/bin/Debug/net10.0/Program.dll)" = 42
test "$(Program/bin/Debug/net10.0/Program)" = 42
sed -i 's/a + b/a * b/' Library/Sum.cs
build
test "$(Program/bin/Debug/net10.0/Program)" = 80
