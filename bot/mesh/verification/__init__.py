"""What proves that a mesh is what it claims to be: read from servers, judged from data alone."""
