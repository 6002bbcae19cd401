# A recursive set of five members under up to 8,000 overlays, each of which replaces two of them.
let
  fix = make: let result = make result; in result;
  extends = overlay: make: final: let prev = make final; in prev // overlay final prev;
  mod = a: b: a - b * (a / b);
  base = final: {
    a = 1;
    b = final.a + 1;
    c = final.a + final.b;
    d = final.c * 2;
    e = final.d + final.b;
  };
  overlaid = count: builtins.foldl'
    (set: n: extends (final: prev: { a = prev.a + mod n 2; d = final.c + prev.d; }) set)
    base
    (builtins.genList (n: n) count);
  # A chain of overlays for each of several depths.
  chains = builtins.genList (n: fix (overlaid ((n + 1) * 400))) 20;
in chains
