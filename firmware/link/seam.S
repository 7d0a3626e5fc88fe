/* Where an image of the chip's link has what the emulator answers in it, as it has no radio
 * (docs/SPEC.md, section 9; emulator/radio/seam.go): the number of addresses, then each. So an image
 * can be run without any other file. Places are given once: append only, never reorder. What the
 * vendor's SDK does not have is 0. */

    .macro seam name
    .weak \name
    .word \name
    .endm

    .section .seam, "a"
    .align 4
    .word (2f - 1f) / 4
1:
    seam chip_v6_rf_init
    seam chip_v6_initialize_bb
    seam chip_v6_set_chan
    seam periodic_cal_top
    seam ppTxPkt
    seam ieee80211_send_mgmt
    seam ieee80211_output_pbuf
    seam ic_get_rssi
    seam cnx_sta_connect_cmd
    seam cnx_start_handoff_cb
    seam eagle_auth_done
    seam ieee80211_sta_new_state
    seam pvPortZalloc
    seam pbuf_alloc
    seam ethernet_input
    seam g_ic
    seam test_tout
    seam phy_get_vdd33
2:
