#include <pulse.h>
#include <stdio.h>

int main(void)
{
    pulse_context *ctx;
    float x[4] = { 1, 2, 3, 4 }, y[4];
    pulse_tensor in = { PULSE_F32, 2, { 2, 2 }, x }, out = { PULSE_F32, 2, { 2, 2 }, y };
    if (pulse_open(NULL, &ctx) != PULSE_OK || pulse_op(ctx, "softmax", &in, 1, NULL, 0, NULL, 0, &out) != PULSE_OK)
        puts(pulse_error_text(ctx));
    else
        printf("%a %a\n", y[0], y[1]);
    pulse_close(ctx);
    return 0;
}
