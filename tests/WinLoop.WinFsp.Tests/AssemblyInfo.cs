[assembly: System.Runtime.CompilerServices.DisableRuntimeMarshalling]
// Tests count what a process has of something: mounts, descriptors.
[assembly: CollectionBehavior(DisableTestParallelization = true)]
