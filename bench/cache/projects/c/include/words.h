struct counts { long lines, words, bytes; };
void count(int byte, int *inside, struct counts *counts);
void show(const struct counts *counts);
