/* A library: what says `value` decides what is printed. */
int value(void) { return VALUE; }
