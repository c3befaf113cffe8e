//! What the fuzzers of answers share: a generator of numbers, and what they put into answers.

/// Parts of answers, and characters that something between an answer and its tree may take amiss.
pub const MARKERS: [&str; 66] = [
    "```",
    "````",
    "~~~",
    "```python\n",
    "```diff\n",
    "<think>",
    "</think>",
    "<<<<<<< SEARCH\n",
    "=======\n",
    ">>>>>>> REPLACE\n",
    "--- /dev/null\n",
    "+++ /dev/null\n",
    "@@ -1 +1 @@\n",
    "@@ -0,0 +1 @@\n+x = 1\n",
    "@@ -1,2 +0,0 @@\n",
    "@@ -18446744073709551615,4294967296 +1 @@\n",
    "@@ -1,0 +1,0 @@\n",
    "@@ @@\n",
    "\\ No newline at end of file\n",
    "new file mode 100644\n",
    "new file mode 100755\n",
    "new file mode 120000\n",
    "new file mode 160000\n",
    "new file mode 040000\n",
    "deleted file mode 100644\n",
    "old mode 100644\nnew mode 100755\n",
    "old mode 100644\nnew mode 120000\n",
    "similarity index 100%\n",
    "dissimilarity index 999%\n",
    "index 0000000..0000000\n",
    "index 1234567..89abcde 100644\n",
    "GIT binary patch\n",
    "literal 0\nHcmV?d00001\n\n",
    "literal 18446744073709551615\nzcmV\n",
    "delta 10\nzc$@(*0ssI2\n",
    "Binary files a/x and b/x differ\n",
    "*** Begin Patch\n",
    "*** Update File: spans/duration.py\n",
    "\u{1b}[31m-x\u{1b}[0m\n",
    "\r\n",
    "\r",
    "\n",
    "\0",
    "\t",
    "\u{c}",
    "\u{b}",
    "\u{85}",
    "\u{2028}",
    "\u{feff}",
    "\u{fffd}",
    "\u{10ffff}",
    "é",
    "(((((((((((((((((((((((((((((((((",
    "f'{f\"{f'''{1}'''}\"}'",
    "\"\"\"",
    "# -*- coding: utf-16 -*-\n",
    "# coding: no-such\n",
    "if __name__ == '__main__':\n    import os; os._exit(0)\n",
    "Issue reproduced",
    "1. `",
    "### a.py\n",
    "--- a/x\n+++ b/x\n",
    "diff --git a/x b/x\n",
    "\u{10f780}",
    "\u{10f7fc}",
    "\u{10f7ff}",
];

/// A small generator of numbers, so that a seed gives the same run everywhere (xorshift64*, Vigna 2016).
#[derive(Debug)]
pub struct Numbers(pub u64);

impl Numbers {
    pub fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % bound.max(1)
    }

    pub fn place(&mut self, text: &str) -> usize {
        let mut at = self.below(text.len() + 1);
        while !text.is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}
