"""The contract about the data, written by people: one `<dataset>.pbtxt` each."""
