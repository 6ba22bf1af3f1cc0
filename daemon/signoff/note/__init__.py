"""Notes: bytes to front matter and Markdown structure, and byte-exact splices back. Pure, no I/O.

* `document` reads a note: front matter, headings, the items of the steps list, fenced blocks;
* `front` reads YAML (and JSON in fences) strictly, and says where and how to mend what is broken;
* `splice` changes the daemon's own lines and nothing else; `mend` the known breakages, on request.
"""
