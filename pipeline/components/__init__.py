"""TFX components: stock ones taught to read columns, and our own. One file each."""
