"""What is there and not as declared: tracked objects that changed, and objects nobody declared."""
