"""Files on this machine as tree entries: read them, make them, copy them; never led astray by a link."""
