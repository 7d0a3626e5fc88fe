#pragma once

namespace esper {

// Where the lines of framework and SDK go, at 115200 baud. The build calls one of these functions
// (openLog), and the linker leaves out the others. Lines of mask ROM and bootloader have been sent
// on UART 0 before.
class LogPort {
  public:
    static void uart0();
    static void uart1();  // which only sends, at GPIO2
    static void none();
};

}  // namespace esper
