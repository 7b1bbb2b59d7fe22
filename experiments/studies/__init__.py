"""Studies: what is asked of which arms, written down before the first run; ``poet study``. One TOML file each."""
