/* SPDX-License-Identifier: MIT */
#include <stdio.h>

int main(void)
{
    fputs("pulse-ref\n", stderr);
    return 2;
}
