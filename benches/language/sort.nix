# Sorting of 100,000 records by a number and of their names by text, with functions that compare.
let
  mod = a: b: a - b * (a / b);
  entries = builtins.genList
    (n: { name = "entry-${toString (mod (n * 7919) 100003)}"; rank = mod (n * 104729) 100019; }) 100000;
  byRank = builtins.sort (x: y: x.rank < y.rank) entries;
  byName = builtins.sort (x: y: x < y) (map (entry: entry.name) entries);
  every = count: names: builtins.genList (n: builtins.elemAt names (n * count)) (100000 / count);
in {
  rank = every 10000 (map (entry: entry.name) byRank);
  name = every 10000 byName;
}
