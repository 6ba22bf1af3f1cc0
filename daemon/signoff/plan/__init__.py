"""From a note to a plan, and from a plan to the exact content that a person approves."""
