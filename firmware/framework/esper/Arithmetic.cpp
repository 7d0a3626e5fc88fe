// The product of two 64-bit numbers, which Ed25519 spends most of its time with. This takes
// the place of the mask ROM's __muldi3 in less than half of the instructions: no register is
// saved, and nothing is called.
#ifdef __XTENSA__

// a3:a2 times a5:a4. With the low words' halves h and l: a2h a4h at bit 32, a2l a4h + a2h a4l
// at bit 16, where the sum may carry into bit 48, a2l a4l at bit 0. Of the other products
// only the low words are within 64 bits.
asm(".section .text.__muldi3, \"ax\"\n"
    ".global __muldi3\n"
    ".type __muldi3, @function\n"
    ".align 4\n"
    "__muldi3:\n"
    "    mull a5, a2, a5\n"
    "    mull a3, a3, a4\n"
    "    srli a6, a2, 16\n"
    "    srli a7, a4, 16\n"
    "    add a3, a3, a5\n"
    "    mul16u a8, a2, a7\n"
    "    mul16u a9, a6, a4\n"
    "    mul16u a6, a6, a7\n"
    "    mul16u a2, a2, a4\n"
    "    add a8, a8, a9\n"
    "    add a3, a3, a6\n"
    "    bgeu a8, a9, 1f\n"
    "    movi a4, 1\n"
    "    slli a4, a4, 16\n"
    "    add a3, a3, a4\n"
    "1:  srli a9, a8, 16\n"
    "    slli a8, a8, 16\n"
    "    add a3, a3, a9\n"
    "    add a2, a2, a8\n"
    "    bgeu a2, a8, 2f\n"
    "    addi a3, a3, 1\n"
    "2:  ret\n"
    ".size __muldi3, . - __muldi3\n");

#endif
