/* Prints what the library says that ld.so finds. */
#include <stdio.h>
int value(void);
int main(void) { return printf("value %d\n", value()) < 0; }
