"""How the embedded base `mini` was made: rendered people, their captions, the networks and their training."""
