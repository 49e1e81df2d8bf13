package interop

import (
	"net/http"
	"strings"
)

// words are those of the pages about a list, in one language.
type words struct {
	Code, Name                                           string
	Title, Lead, Operator, Number, Issued, Next, Signed  string
	Files, XML, Hash, Notice, Services, Status           string
	Type, For, Certificates, Subject, Valid, Fingerprint string
	History, Contact, Information, Supply, Unread        string
	Providers, Law                                       string
	// Since stands before a date, or Onwards behind it.
	Since, Onwards        string
	statuses, types, uses map[string]string
}

// languages of the pages, in the order they are offered.
var languages = []*words{
	{
		Code: "az", Name: "Azərbaycanca", Title: "Etibarlı siyahı", Lead: "Etibarlı xidmətlər, onların statusu və tarixçəsi.",
		Operator: "Siyahını aparan qurum", Number: "Sıra nömrəsi", Issued: "Dərc edilib", Next: "Növbəti yenilənmə", Signed: "İmzalayan sertifikat",
		Files: "Fayllar", XML: "İmzalanmış siyahı (XML)", Hash: "SHA-256 heş", Notice: "Hüquqi bildiriş", Services: "Xidmətlər", Status: "Status",
		Onwards: "tarixindən", Type: "Xidmətin növü", For: "Təyinatı", Certificates: "Sertifikatlar", Subject: "Subyekt", Valid: "Etibarlılıq müddəti",
		Fingerprint: "SHA-256 barmaq izi", History: "Tarixçə", Contact: "Əlaqə", Information: "Məlumat", Supply: "Xidmət ünvanları",
		Unread: "Bu sertifikatı oxumaq mümkün deyil", Providers: "Etibarlı xidmət təchizatçıları", Law: "Hüquqi qüvvəsi olan sənəd imzalanmış XML siyahıdır; bu səhifə onun oxunaqlı təsviridir.",
		statuses: map[string]string{Granted: "verilib", Withdrawn: "geri götürülüb", Recognised: "milli səviyyədə tanınıb", Deprecated: "milli səviyyədə ləğv edilib"},
		types: map[string]string{ServiceCAQC: "Təkmil sertifikatların verilməsi", ServiceCAPKC: "Sertifikatların verilməsi", ServiceTSAQ: "Təkmil vaxt göstəricisi", ServiceTSA: "Vaxt göstəricisi",
			ServiceOCSPQC: "Təkmil sertifikatların statusu (OCSP)", ServiceOCSP: "Sertifikatların statusu (OCSP)", ServiceCRLQC: "Ləğv edilmiş təkmil sertifikatların siyahısı", ServiceCRL: "Ləğv edilmiş sertifikatların siyahısı"},
		uses: map[string]string{"ForeSignatures": "elektron imza", "ForeSeals": "elektron möhür", "ForWebSiteAuthentication": "veb-sayt autentifikasiyası"},
	},
	{
		Code: "en", Name: "English", Title: "Trust list", Lead: "Trust services, their status and their history.",
		Operator: "Scheme operator", Number: "Sequence number", Issued: "Issued", Next: "Next update", Signed: "Signed with",
		Files: "Files", XML: "The signed list (XML)", Hash: "SHA-256 hash", Notice: "Legal notice", Services: "Services", Status: "Status",
		Since: "since", Type: "Type of service", For: "Issues for", Certificates: "Certificates", Subject: "Subject", Valid: "Valid",
		Fingerprint: "SHA-256 fingerprint", History: "History", Contact: "Contact", Information: "Information", Supply: "Supply points",
		Unread: "This certificate cannot be read", Providers: "Trust service providers", Law: "The signed XML list is what counts; this page is a readable rendering of it.",
		statuses: map[string]string{Granted: "granted", Withdrawn: "withdrawn", Recognised: "recognised at national level", Deprecated: "deprecated at national level"},
		types: map[string]string{ServiceCAQC: "Issuing qualified certificates", ServiceCAPKC: "Issuing certificates", ServiceTSAQ: "Qualified time stamps", ServiceTSA: "Time stamps",
			ServiceOCSPQC: "Status of qualified certificates (OCSP)", ServiceOCSP: "Status of certificates (OCSP)", ServiceCRLQC: "Revocation list of qualified certificates", ServiceCRL: "Revocation list of certificates"},
		uses: map[string]string{"ForeSignatures": "electronic signatures", "ForeSeals": "electronic seals", "ForWebSiteAuthentication": "web site authentication"},
	},
	{
		Code: "ru", Name: "Русский", Title: "Доверенный список", Lead: "Доверенные услуги, их статус и история.",
		Operator: "Оператор схемы", Number: "Порядковый номер", Issued: "Опубликован", Next: "Следующее обновление", Signed: "Сертификат подписавшего",
		Files: "Файлы", XML: "Подписанный список (XML)", Hash: "Хеш SHA-256", Notice: "Правовое уведомление", Services: "Услуги", Status: "Статус",
		Since: "с", Type: "Вид услуги", For: "Назначение", Certificates: "Сертификаты", Subject: "Субъект", Valid: "Срок действия",
		Fingerprint: "Отпечаток SHA-256", History: "История", Contact: "Контакты", Information: "Информация", Supply: "Адреса услуги",
		Unread: "Этот сертификат не читается", Providers: "Поставщики доверенных услуг", Law: "Юридическую силу имеет подписанный список XML; эта страница — его читаемое представление.",
		statuses: map[string]string{Granted: "предоставлен", Withdrawn: "отозван", Recognised: "признан на национальном уровне", Deprecated: "отменён на национальном уровне"},
		types: map[string]string{ServiceCAQC: "Выдача квалифицированных сертификатов", ServiceCAPKC: "Выдача сертификатов", ServiceTSAQ: "Квалифицированные метки времени", ServiceTSA: "Метки времени",
			ServiceOCSPQC: "Статус квалифицированных сертификатов (OCSP)", ServiceOCSP: "Статус сертификатов (OCSP)", ServiceCRLQC: "Список отозванных квалифицированных сертификатов", ServiceCRL: "Список отозванных сертификатов"},
		uses: map[string]string{"ForeSignatures": "электронные подписи", "ForeSeals": "электронные печати", "ForWebSiteAuthentication": "аутентификация веб-сайтов"},
	},
	{
		Code: "tr", Name: "Türkçe", Title: "Güven listesi", Lead: "Güven hizmetleri, durumları ve geçmişleri.",
		Operator: "Listeyi yürüten kurum", Number: "Sıra numarası", Issued: "Yayımlanma", Next: "Sonraki güncelleme", Signed: "İmzalayan sertifika",
		Files: "Dosyalar", XML: "İmzalı liste (XML)", Hash: "SHA-256 özeti", Notice: "Hukuki bildirim", Services: "Hizmetler", Status: "Durum",
		Onwards: "tarihinden beri", Type: "Hizmet türü", For: "Kullanım amacı", Certificates: "Sertifikalar", Subject: "Konu", Valid: "Geçerlilik",
		Fingerprint: "SHA-256 parmak izi", History: "Geçmiş", Contact: "İletişim", Information: "Bilgi", Supply: "Hizmet adresleri",
		Unread: "Bu sertifika okunamıyor", Providers: "Güven hizmet sağlayıcıları", Law: "Geçerli olan imzalı XML listedir; bu sayfa onun okunabilir görünümüdür.",
		statuses: map[string]string{Granted: "verilmiş", Withdrawn: "geri alınmış", Recognised: "ulusal düzeyde tanınmış", Deprecated: "ulusal düzeyde kaldırılmış"},
		types: map[string]string{ServiceCAQC: "Nitelikli sertifika verilmesi", ServiceCAPKC: "Sertifika verilmesi", ServiceTSAQ: "Nitelikli zaman damgası", ServiceTSA: "Zaman damgası",
			ServiceOCSPQC: "Nitelikli sertifikaların durumu (OCSP)", ServiceOCSP: "Sertifikaların durumu (OCSP)", ServiceCRLQC: "Nitelikli sertifika iptal listesi", ServiceCRL: "Sertifika iptal listesi"},
		uses: map[string]string{"ForeSignatures": "elektronik imza", "ForeSeals": "elektronik mühür", "ForWebSiteAuthentication": "web sitesi kimlik doğrulaması"},
	},
}

// say returns the word for a URI, or the URI's last part.
func say(words map[string]string, uri string) string {
	if word, ok := words[uri]; ok {
		return word
	}
	if word, ok := words[last(uri)]; ok {
		return word
	}
	return last(uri)
}

// preferred is the first language of the visitor's that there is.
func preferred(r *http.Request) string {
	for _, part := range strings.Split(r.Header.Get("Accept-Language"), ",") {
		code, _, _ := strings.Cut(strings.TrimSpace(part), ";")
		code, _, _ = strings.Cut(strings.ToLower(code), "-")
		for _, w := range languages {
			if w.Code == code {
				return code
			}
		}
	}
	return languages[0].Code
}
