#include "VersionFile.h"

#include <string.h>

namespace esper {

namespace {

struct Line {
    const char* text;
    size_t length;
};

// Takes the next line off the text. A file ends after its last LF, or without one.
bool take(const char*& text, size_t& length, Line& line) {
    if (length == 0) {
        return false;
    }
    const char* end = static_cast<const char*>(memchr(text, '\n', length));
    line.text = text;
    line.length = end == nullptr ? length : static_cast<size_t>(end - text);
    const size_t taken = end == nullptr ? length : line.length + 1;
    text += taken;
    length -= taken;
    return true;
}

int hexValue(char c) {
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    return -1;
}

bool parseSignature(const char* text, size_t length, uint8_t out[64]) {
    if (length != 128) {
        return false;
    }
    for (size_t i = 0; i < 64; i++) {
        const int high = hexValue(text[2 * i]);
        const int low = hexValue(text[2 * i + 1]);
        if (high < 0 || low < 0) {
            return false;
        }
        out[i] = static_cast<uint8_t>(high << 4 | low);
    }
    return true;
}

bool parseNumber(const char* text, size_t length, uint32_t& out) {
    if (length == 0 || length > 10 || (length > 1 && text[0] == '0')) {
        return false;
    }
    uint32_t value = 0;
    for (size_t i = 0; i < length; i++) {
        if (text[i] < '0' || text[i] > '9') {
            return false;
        }
        const uint32_t digit = static_cast<uint32_t>(text[i] - '0');
        if (value > (UINT32_MAX - digit) / 10) {
            return false;
        }
        value = value * 10 + digit;
    }
    out = value;
    return true;
}

}  // namespace

bool isVersion(const char* text, size_t length) {
    if (length < 1 || length > 32) {
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        const char c = text[i];
        const bool allowed = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                             (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '+' || c == '-';
        if (!allowed) {
            return false;
        }
    }
    return true;
}

bool Release::parse(const char* text, size_t length) {
    if (length > MAX_FILE) {
        return false;
    }
    Line line;
    if (!take(text, length, line) || !isVersion(line.text, line.length)) {
        return false;
    }
    memcpy(version, line.text, line.length);
    version[line.length] = 0;

    for (int slot = 0; slot < 2; slot++) {
        signers[slot] = 1;
        if (!take(text, length, line) ||
            !parseSignature(line.text, line.length, signatures[slot][0])) {
            return false;
        }
    }

    bool hasSequence = false;
    while (take(text, length, line)) {
        // "key value" of printable ASCII; neither is empty.
        for (size_t i = 0; i < line.length; i++) {
            if (line.text[i] < ' ' || line.text[i] > '~') {
                return false;
            }
        }
        const char* space = static_cast<const char*>(memchr(line.text, ' ', line.length));
        if (space == nullptr || space == line.text) {
            return false;
        }
        const size_t key = static_cast<size_t>(space - line.text);
        const char* value = space + 1;
        const size_t valueLength = line.length - key - 1;
        if (valueLength == 0) {
            return false;
        }
        if (key == 8 && memcmp(line.text, "sequence", 8) == 0) {
            if (hasSequence || !parseNumber(value, valueLength, sequence)) {
                return false;
            }
            hasSequence = true;
        } else if (key == 10 && memcmp(line.text, "signature", 9) == 0 &&
                   (line.text[9] == '0' || line.text[9] == '1')) {
            const int slot = line.text[9] - '0';
            if (signers[slot] == MAX_SIGNERS ||
                !parseSignature(value, valueLength, signatures[slot][signers[slot]])) {
                return false;
            }
            signers[slot]++;
        }
    }
    return hasSequence;
}

UpdateError Release::decide(const char* ownVersion, uint32_t ownSequence, bool* install) const {
    *install = false;
    if (strcmp(version, ownVersion) == 0) {
        return UpdateError::NONE;
    }
    // Sequence 0 is for development: such a device takes any other release.
    if (ownSequence != 0 && sequence <= ownSequence) {
        return UpdateError::NOT_NEWER;
    }
    if (ownSequence != 0 && sequence - ownSequence > MAX_JUMP) {
        return UpdateError::SEQUENCE_JUMP;
    }
    *install = true;
    return UpdateError::NONE;
}

}  // namespace esper
