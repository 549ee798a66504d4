Console.WriteLine("winloop");
