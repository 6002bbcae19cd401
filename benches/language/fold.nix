# A fold over a million numbers with a function that compares and adds.
let step = total: number: let sum = total + number; in if sum < 1000000 then sum else sum - 1000000;
in builtins.foldl' step 0 (builtins.genList (number: number) 1000000)
