"""What windows take from each other besides their overlaps: references (ContextRef) and reuse (NaiveReuse). Nothing
here chooses windows."""
