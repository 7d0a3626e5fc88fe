/* The emulator's stand-in for the start-up code in the vendor's libmain: the entry of an
 * image, called by the bootloader with the flash cache off. */

    .section .iram.literal, "ax"
    .align 4
    .literal_position

    .section .iram.text, "ax"
    .align 4
    .global call_user_start
    .type call_user_start, @function
call_user_start:
    /* Cache_Read_Enable(0, 0, 1): map the first megabyte of the flash, with 32 KB of cache. */
    movi a2, 0
    movi a3, 0
    movi a4, 1
    call0 enable_cache

    movi a2, _bss_start
    movi a3, _bss_end
    movi a4, 0
    bgeu a2, a3, 2f
1:  s32i a4, a2, 0
    addi a2, a2, 4
    bltu a2, a3, 1b

2:  movi a2, user_pre_init
    movi a3, user_init
    movi a4, _heap_start
    movi a0, sdk_start
    jx a0

enable_cache:
    movi a5, Cache_Read_Enable
    jx a5
    .size call_user_start, . - call_user_start
