[assembly: System.Runtime.CompilerServices.DisableRuntimeMarshalling]
[assembly: CollectionBehavior(DisableTestParallelization = true)]
