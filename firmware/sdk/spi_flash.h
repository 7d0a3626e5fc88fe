// Flash. Addresses and sizes are multiples of 4, buffers in DRAM and aligned to 4.
#pragma once

#include <stdint.h>

extern "C" {

enum SpiFlashOpResult : uint32_t {
    SPI_FLASH_RESULT_OK = 0,
    SPI_FLASH_RESULT_ERR = 1,
    SPI_FLASH_RESULT_TIMEOUT = 2,
};

enum : uint32_t { SPI_FLASH_SEC_SIZE = 4096 };

uint32_t spi_flash_get_id();
SpiFlashOpResult spi_flash_erase_sector(uint16_t sector);
SpiFlashOpResult spi_flash_write(uint32_t address, uint32_t* source, uint32_t size);
SpiFlashOpResult spi_flash_read(uint32_t address, uint32_t* destination, uint32_t size);
}
