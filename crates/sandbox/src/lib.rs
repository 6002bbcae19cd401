//! Linux sandbox: a plain specification in, an exit status out.
