"""Long clips in windows: which frames are sampled together, how a call is cut to them, how they are blended. Nothing
here draws noise or reads what a user typed."""
