#include <ctype.h>
#include "words.h"

void count(int byte, int *inside, struct counts *counts)
{
    counts->bytes++;
    counts->lines += byte == '\n';
    counts->words += !isspace(byte) && !*inside;
    *inside = !isspace(byte);
}
