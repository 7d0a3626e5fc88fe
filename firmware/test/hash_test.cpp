#include <esper/Sha256.h>
#include <esper/Sha512.h>

#include "check.h"

using namespace esper;

namespace {

template <typename Hash, size_t size>
std::string hash(const std::string& text, size_t piece) {
    Hash hash;
    for (size_t i = 0; i < text.size(); i += piece) {
        const std::string part = text.substr(i, piece);
        hash.update(part.data(), part.size());
    }
    uint8_t digest[size];
    hash.finish(digest);
    std::string hex;
    for (const uint8_t byte : digest) {
        hex += "0123456789abcdef"[byte >> 4];
        hex += "0123456789abcdef"[byte & 15];
    }
    return hex;
}

}  // namespace

// FIPS 180-4's examples, and a million times "a".
TEST(sha256_gives_the_standards_digests) {
    CHECK_EQUAL((hash<Sha256, 32>("abc", 9)),
                "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    CHECK_EQUAL((hash<Sha256, 32>("", 9)),
                "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    CHECK_EQUAL((hash<Sha256, 32>(std::string(1000000, 'a'), 1460)),
                "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(sha512_gives_the_standards_digests) {
    CHECK_EQUAL((hash<Sha512, 64>("abc", 9)),
                "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
                "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f");
    CHECK_EQUAL((hash<Sha512, 64>("", 9)),
                "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
                "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e");
    CHECK_EQUAL((hash<Sha512, 64>(std::string(1000000, 'a'), 1000)),
                "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb"
                "de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b");
}

TEST(hashes_do_not_depend_on_the_pieces) {
    for (size_t length = 0; length < 300; length++) {
        const std::string text(length, 'x');
        for (const size_t piece : {1, 7, 63, 64, 65, 127, 128, 129}) {
            CHECK_EQUAL((hash<Sha256, 32>(text, piece)), (hash<Sha256, 32>(text, 1000)));
            CHECK_EQUAL((hash<Sha512, 64>(text, piece)), (hash<Sha512, 64>(text, 1000)));
        }
    }
}

// However much room the last block leaves for the length. The digest is that of all digests.
TEST(hashes_are_right_for_every_length) {
    std::string digests256;
    std::string digests512;
    auto append = [](std::string& digests, const std::string& hex) {
        for (size_t i = 0; i < hex.size(); i += 2) {
            digests += static_cast<char>(std::stoi(hex.substr(i, 2), nullptr, 16));
        }
    };
    for (size_t length = 0; length < 300; length++) {
        append(digests256, hash<Sha256, 32>(std::string(length, 'x'), 1000));
        append(digests512, hash<Sha512, 64>(std::string(length, 'x'), 1000));
    }
    CHECK_EQUAL((hash<Sha256, 32>(digests256, 1000)),
                "3068c8c08e804c2be19cb16d8f13fb8cbdff841c789d00ce28ded624674b6d55");
    CHECK_EQUAL((hash<Sha512, 64>(digests512, 1000)),
                "0a6a4d91c9c127e3ffd49e748cac6b599e1ce1039f1d92bdcdce57e91acc2b7d"
                "13aa0183989b5e7fdc7a2b84a968d350d022db27b68c0b4fa2d71fdb45537c00");
}
