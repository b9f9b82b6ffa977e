"""The data gate: may these data be learned from?"""
