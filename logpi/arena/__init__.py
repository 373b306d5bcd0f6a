"""Players of board games, and what they do together: matches, ratings, records, a board in the terminal."""
