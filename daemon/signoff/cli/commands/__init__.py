"""What each command takes, by theme; the rest it leaves to a module that it imports when it is called."""
