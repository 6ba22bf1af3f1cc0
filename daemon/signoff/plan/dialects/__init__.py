"""The forms that people and agents really write plans in; each module reads one, with an example.

Guessing happens here and nowhere later: each dialect turns what it recognises into explicit steps, or
into one question. What it does not recognise it leaves alone; no action is ever taken from words outside
these forms, and no text is ever "the rest of the note". `read` brings the dialects together.
"""
