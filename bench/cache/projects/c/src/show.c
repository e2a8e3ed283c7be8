#include <stdio.h>
#include "words.h"

void show(const struct counts *counts)
{
    printf("%ld lines, %ld words, %ld bytes\n", counts->lines, counts->words, counts->bytes);
}
