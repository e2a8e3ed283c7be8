#include <stdio.h>
#include "words.h"

int main(void)
{
    struct counts counts = {0, 0, 0};
    int byte, inside = 0;

    while ((byte = getchar()) != EOF)
        count(byte, &inside, &counts);
    show(&counts);
    return 0;
}
