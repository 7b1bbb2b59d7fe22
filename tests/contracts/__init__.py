"""What holds for whatever a config may name: classes of tests that one of one's own is tested by, too."""
