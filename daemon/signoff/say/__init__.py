"""What the daemon writes for people: pure functions from state to Markdown, and nothing else.

`section` gives the daemon's section of a note, `front_keys` its properties, `dashboard` the overview.
Nothing here reads or writes a file, knows the time or decides anything.
"""
